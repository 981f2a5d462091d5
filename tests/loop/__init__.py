"""The whole loop, as a user lives it: `pulumi up`, `runner convert`, `pulumi destroy`."""
