"""The mapping language: YAML in, a checked model, a plan out. Knows no Spark."""
