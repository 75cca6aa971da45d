"""Who is served: domains, users, recipients, logins. Later HTTP pages use the same functions; none of them prints."""
