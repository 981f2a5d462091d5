"""What becomes of sources once their results are verified and safely in place."""
