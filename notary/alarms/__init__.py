"""The watch over a deployment: trusts nobody, signs nothing, and raises alarms that carry their evidence."""
