"""Where predictions are computed: one module per kind of backend, all behind `base.Backend`."""
