// Speaks with the browser's voice for the language. Without one, or if it stays silent, say() takes the same time: the
// words and digits are on the screen. A voice of another language would read them wrongly.

const START_TIMEOUT = 1200; // milliseconds
const END_TIMEOUT = 4000; // milliseconds

const pause = (time) => new Promise((done) => setTimeout(done, time));

// Some browsers list their voices only after the first speech. An empty list says nothing.
function hasVoice(language) {
  const voices = speechSynthesis.getVoices?.() ?? [];
  const base = (tag) => tag.split(/[-_]/)[0].toLowerCase();
  return !voices.length || voices.some(({ lang }) => base(lang) === base(language));
}

export class Voice {
  audible = true;
  #works = "speechSynthesis" in window;

  // Resolves when the words are spoken, but not before `pace` milliseconds. Calls `begun` when they begin.
  async say(words, { pace, language, begun }) {
    const spoken = this.audible && this.#works && hasVoice(language) ? this.#speak(words, language, begun) : begun();
    await Promise.all([pause(pace), Promise.race([spoken, pause(END_TIMEOUT)])]);
  }

  stop() {
    if (this.#works) speechSynthesis.cancel();
  }

  #speak(words, language, begun) {
    return new Promise((done) => {
      const over = () => {
        clearTimeout(startTimer);
        begun();
        done();
      };
      const giveUp = () => {
        this.#works = false;
        over();
      };
      const startTimer = setTimeout(giveUp, START_TIMEOUT);
      const utterance = new SpeechSynthesisUtterance(words);
      utterance.lang = language;
      utterance.rate = 0.95;
      utterance.onstart = () => {
        clearTimeout(startTimer);
        begun();
      };
      utterance.onend = over;
      // These errors come from stop(). They do not mean that the voice fails.
      utterance.onerror = ({ error }) => (["canceled", "interrupted"].includes(error) ? over() : giveUp());
      speechSynthesis.speak(utterance);
    });
  }
}
