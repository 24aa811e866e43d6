"""The check of ONNX files that projects upload, in a process that may die of them."""
