"""What happened: the words and rules, their tables, their API and pages. Imports no other room."""
