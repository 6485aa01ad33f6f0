"""Tests of the exchange with a vendor, over real sockets."""
