"""What is known of a call once it is over."""
