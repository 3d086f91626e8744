"""A saga coordinator: runs business processes that span services, over Kafka, durable, compensated and traced."""
