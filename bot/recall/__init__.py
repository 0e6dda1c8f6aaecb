"""What a question is shown of the server's own store: approved replies as examples, and its documents."""
