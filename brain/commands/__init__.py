"""The commands, one module a family; each is a plain function whose signature is its usage."""
