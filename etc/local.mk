# what is installed below $(sysconfdir), and examples
