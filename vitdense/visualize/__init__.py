"""Looking at what a training has, sees and learns."""
