"""What the rehearsal of machines that come and go is made of."""
