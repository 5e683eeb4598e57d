// Light, dark, or as the system has it. A classic script, so that it acts before anything is painted.
(function () {
  'use strict';
  const KEY = 'starkeep.theme';
  const CHOICES = ['system', 'light', 'dark'];

  function read() {
    try {
      const said = localStorage.getItem(KEY);
      return CHOICES.includes(said) ? said : 'system';
    } catch {
      return 'system';
    }
  }

  function apply(choice) {
    if (choice === 'system') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.setAttribute('data-theme', choice);
  }

  window.starkeepTheme = {
    current: read,
    next() {
      const choice = CHOICES[(CHOICES.indexOf(read()) + 1) % CHOICES.length];
      try {
        localStorage.setItem(KEY, choice);
      } catch {
        // A browser that keeps nothing: the choice lasts as long as the page.
      }
      apply(choice);
      return choice;
    },
  };
  apply(read());
})();
