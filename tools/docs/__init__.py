"""Tables of the documentation, printed from those that the code itself uses."""
