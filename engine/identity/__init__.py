"""Identity: who sends a request, and until when."""
