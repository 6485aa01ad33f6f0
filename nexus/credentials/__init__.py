"""Where a provider's key comes from when it is not in the settings: Entra ID, a program that prints it."""
