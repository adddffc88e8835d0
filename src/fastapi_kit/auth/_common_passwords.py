COMMON_PASSWORDS: frozenset[str] = frozenset({"password", "12345678"})
