"""What runs as a Lambda function in the user's account, and watches the runs that the schedule starts."""
