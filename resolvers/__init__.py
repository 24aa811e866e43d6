"""What a field does. Knows no GraphQL: takes a context and values, returns rows and engine values."""
