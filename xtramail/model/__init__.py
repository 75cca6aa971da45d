"""Words: frozen values that every layer uses. Imports nothing of xtramail but itself."""
