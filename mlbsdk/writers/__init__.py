"""The core's writers: Delta, Parquet and Avro."""
