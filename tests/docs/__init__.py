"""The pages: each snippet is tried, each link leads somewhere."""
