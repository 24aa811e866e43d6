"""The messages of the Open Inference Protocol over gRPC; `make protocol` writes them from the .proto file."""
