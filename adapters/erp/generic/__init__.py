"""The way in for any system: sales, documents and members as signed JSON, in Ponte's own words."""
