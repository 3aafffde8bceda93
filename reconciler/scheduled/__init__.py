"""What runs as a Lambda function in the user's account, and launches and watches the runs of the schedule."""
