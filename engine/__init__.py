"""What the service does, whoever asks. Knows the database, no transport and no GraphQL."""
