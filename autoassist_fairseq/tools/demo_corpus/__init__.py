"""The demo's English-German corpus, made offline from CLDR, number words and templates."""
