"""The docs pages: every snippet is run or loaded, and every link is checked."""
