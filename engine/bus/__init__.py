"""What processes tell one another: text as it is generated, and that something changed."""
