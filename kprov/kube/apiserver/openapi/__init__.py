"""What the API looks like, for clients that validate and explain: OpenAPI v2 (JSON and protobuf) and v3."""
