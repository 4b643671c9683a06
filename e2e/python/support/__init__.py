"""What the tests share: a gateway to talk to, tokens, and a stock client with a notebook."""
