"""Models behind a server that speaks the Open Inference Protocol v2: MLServer, Triton, KServe and others."""
