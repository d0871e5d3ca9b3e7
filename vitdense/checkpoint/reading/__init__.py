"""Reading: from a source to tensors by name, safely."""
