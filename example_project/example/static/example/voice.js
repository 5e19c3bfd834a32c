// Speaks with the browser's own voice, in time. Where there is no voice, or it stays mute, the time is kept all the same.

const STARTS_WITHIN = 1200;
const ENDS_WITHIN = 4000;

const pause = (time) => new Promise((done) => setTimeout(done, time));

export class Voice {
  audible = true;
  #works = "speechSynthesis" in window;

  // Resolves when the words are over, and not before `pace` milliseconds; `begun` is called as they begin.
  async say(words, { pace, language, begun }) {
    const spoken = this.audible && this.#works ? this.#speak(words, language, begun) : begun();
    await Promise.all([pause(pace), Promise.race([spoken, pause(ENDS_WITHIN)])]);
  }

  stop() {
    if (this.#works) speechSynthesis.cancel();
  }

  #speak(words, language, begun) {
    return new Promise((done) => {
      const over = () => {
        clearTimeout(patience);
        begun();
        done();
      };
      const giveUp = () => {
        this.#works = false;
        over();
      };
      const patience = setTimeout(giveUp, STARTS_WITHIN);
      const utterance = new SpeechSynthesisUtterance(words);
      utterance.lang = language || document.documentElement.lang;
      utterance.rate = 0.95;
      utterance.onstart = () => {
        clearTimeout(patience);
        begun();
      };
      utterance.onend = over;
      // Being cut off by stop() says nothing about the voice.
      utterance.onerror = ({ error }) => (["canceled", "interrupted"].includes(error) ? over() : giveUp());
      speechSynthesis.speak(utterance);
    });
  }
}
