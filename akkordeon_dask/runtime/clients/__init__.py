"""The other clients of a network: their names, their sentinels, their passes, requests to the owner."""
