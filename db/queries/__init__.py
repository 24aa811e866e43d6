"""Every statement: one module per noun, one function per question, the connection first. None commits."""
