"""What the plain forms of the families share."""
