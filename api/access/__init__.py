"""Who may do what: the token of the data folder, API keys, sessions of the browser, scopes, rates, the audit log."""
