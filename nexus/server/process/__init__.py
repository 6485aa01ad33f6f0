"""The serving process from start to end: settings, reload, signals, and a supervisor with several workers."""
