"""Stone: sales of its terminals, by the webhooks of Stone Connect and by the terminal itself."""
