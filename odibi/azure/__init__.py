"""What odibi knows of Azure: identities and tokens, Key Vault, storage accounts, and what they answer when they refuse.

Nothing here is imported before a connection needs it; the SDKs are imported inside the functions that call them.
"""
