"""Helpers of the black-box tests: the server under test, a thin client, schema checks, Ed25519."""
