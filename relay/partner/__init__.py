"""The partner's counter: submit, follow, fetch proof and credential, subscribe. See relay/PARTNER.md."""
