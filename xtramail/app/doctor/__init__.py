"""What ``xtramail doctor`` looks at, a file each; the order and the waiting are ``app/command/doctor``'s."""
