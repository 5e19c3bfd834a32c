// Speaks with the browser's voice. Without a voice, or if it stays silent, say() takes the same time.

const START_TIMEOUT = 1200; // milliseconds
const END_TIMEOUT = 4000; // milliseconds

const pause = (time) => new Promise((done) => setTimeout(done, time));

export class Voice {
  audible = true;
  #works = "speechSynthesis" in window;

  // Resolves when the words are spoken, but not before `pace` milliseconds. Calls `begun` when they begin.
  async say(words, { pace, language, begun }) {
    const spoken = this.audible && this.#works ? this.#speak(words, language, begun) : begun();
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
      utterance.lang = language || document.documentElement.lang;
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
