"""etcd's messages, as far as the API server speaks them."""
