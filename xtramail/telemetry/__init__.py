"""What xtramail says about itself: mail log, metrics, and the points at which tests may stop it."""
