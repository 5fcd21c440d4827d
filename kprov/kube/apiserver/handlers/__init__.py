"""What the server does for each verb and subresource."""
