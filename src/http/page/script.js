// Puts the parts of a newer page in the place of the old ones. Without it the page reloads as a whole.
'use strict';
(() => {
  const by = (id) => document.getElementById(id);
  const lost = by('lost'), said = by('said'), pause = by('pause');
  let paused = false;
  pause.hidden = false;
  pause.onclick = () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', paused);
  };
  const disturbs = () => paused || document.hidden || !getSelection().isCollapsed;
  const show = (fresh) => {
    if (!fresh.getElementById('asof')) throw new Error('another page');
    if (fresh.querySelector('style').textContent !== document.querySelector('style').textContent) {
      return location.reload();
    }
    const focused = document.activeElement?.closest('main a')?.getAttribute('href');
    const unfolded = document.activeElement?.closest('main summary')?.parentElement.id;
    const open = [...document.querySelectorAll('main details[open]')].map((part) => part.id);
    for (const part of ['header', 'main', 'link[rel=icon]']) {
      document.querySelector(part).replaceWith(fresh.querySelector(part));
    }
    for (const id of open) by(id)?.setAttribute('open', '');
    document.body.className = fresh.body.className;
    if (document.title !== fresh.title) said.textContent = document.title = fresh.title;
    if (focused) document.querySelector(`main a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    if (unfolded) by(unfolded)?.firstElementChild.focus({ preventScroll: true });
  };
  const look = async () => {
    if (!disturbs()) {
      try {
        const answer = await fetch(location.href, { cache: 'no-store', signal: AbortSignal.timeout(4000) });
        if (!answer.ok) throw new Error(answer.status);
        show(new DOMParser().parseFromString(await answer.text(), 'text/html'));
        lost.textContent = '';
      } catch {
        lost.textContent = `No answer any more. What you see is old: ${by('asof').textContent}.`;
      }
    }
    setTimeout(look, 5000);
  };
  setTimeout(look, 5000);
})();
