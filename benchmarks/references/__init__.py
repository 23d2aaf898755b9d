"""The same tables made by other means, for the engine to be compared with."""
