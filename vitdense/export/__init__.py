"""From a trained model to one file that runs without PyTorch."""
