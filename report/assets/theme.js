"use strict";
(() => {
  const button = document.getElementById("theme");
  const names = ["system", "light", "dark"];
  let theme = "system";
  const show = () => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = "Theme: " + theme;
  };
  try { theme = names.includes(localStorage.reeliftTheme) ? localStorage.reeliftTheme : "system"; } catch { /* no storage for this page */ }
  button.addEventListener("click", () => {
    theme = names[(names.indexOf(theme) + 1) % names.length];
    try { localStorage.reeliftTheme = theme; } catch { /* as above */ }
    show();
  });
  show();
})();
